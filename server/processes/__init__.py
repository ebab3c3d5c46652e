"""supervisord and what it needs around it."""
