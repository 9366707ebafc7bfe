"""`rtlab run storm`: instances are killed, drained and restarted under thousands of clients, which come back.

`storming` carries out one storm, `command` all of them; what they found is held to a model in `report.storm`.
"""
