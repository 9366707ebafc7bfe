"""A ruling on each sentence of the guide that can be tested, by a stated rule over data.

`guide` lists the sentences; the rules of its table are in `table_rules`, those of its advice in `advice_rules`; every
limit, and what the rules may look at, is in `evidence`. Nobody types a ruling; what was not measured is not
judged.
"""
