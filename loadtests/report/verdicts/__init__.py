"""A verdict on each sentence of the guide that can be tested, by a stated rule over data.

`guide` lists the sentences; each has one small pure rule in the module of its subject; every limit is in `limits`;
what the rules may look at is in `evidence`. No verdict is typed by hand, and what was not measured is not judged.
"""
