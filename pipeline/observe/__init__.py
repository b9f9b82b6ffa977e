"""Who else is told of a run: log files, events, webhooks, OpenLineage."""
