"""Advice for a case: which transport, how fast, how many servers, at what price, with which risks.

    case       what is asked, read from a few words
    points     what was measured, as one list
    surface    a figure anywhere: measured, between measurements, or by a model with its residual
    costing    of one transport: processor time, bytes, memory, latency
    sizing     processes and servers
    carried    what a core carries
    bill       a month, and a million deliveries, at a price file
    risks      what can go wrong, and what to set
    ranking    which transports fit, and in which order
    advice     all of that for one case; `render` says it

Every figure says how it is known. Nothing here measures; no answer is typed.
"""
