"""What a host runs: doctor, backup, restore, metrics, health endpoint, command sync.

Imports config and storage. The metrics read the running bot through a `Status` value.
"""
