"""Write the table of docs/deployment.md. `make deployments` does so when every cell has passed."""

from __future__ import annotations

from tests.deployments.document import PATH, with_table

if __name__ == "__main__":
    PATH.write_text(with_table(PATH.read_text()))
