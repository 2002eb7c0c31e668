"""Who may do what: server rules, limits, quota, word filter, cost confirmation.

Imports storage and models. Never imports discord's client or the queue.
"""
