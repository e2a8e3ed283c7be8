"""db: one SQLite file; a module for each group of tables, with the SQL beside the rows it fills."""
