"""Every backplane passes the whole kit."""

from __future__ import annotations

import pytest

from tests.core.backplane import kit, kit_leases  # noqa: F401  its checks are the kit's too
from tests.core.backplane.bench import Bench


@pytest.mark.parametrize("check", kit.CHECKS, ids=lambda check: check.__name__)
async def test_backplane(bench: Bench, check: kit.Check) -> None:
    await check(bench)
