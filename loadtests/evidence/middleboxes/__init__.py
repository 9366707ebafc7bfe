"""What stands in the way: each transport behind each box, as it comes and with what cures it. `rtlab run middleboxes`.

`peers` drives many connections at once by the load clients, `trial` puts the questions, `verdicts` judges the answers,
`command` plans and reports.
"""
