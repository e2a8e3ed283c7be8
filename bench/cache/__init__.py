"""What an edit costs: which instructions each builder runs again. README.md beside this has the table."""
