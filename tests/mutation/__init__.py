"""How many wrong lines the tests notice (`make mutants`)."""
