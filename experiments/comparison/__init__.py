"""Arms of runs against each other: ``poet compare``. The seed is the unit of every test and interval."""
