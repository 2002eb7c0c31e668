"""Features of servers: experiments, votes, favourites, search, styles, lineage, challenges, films.

One module per feature. Each keeps one rule: a picture of another server or a private picture is never shown.
Imports actions and every package below. Never imports cogs or views.
"""
