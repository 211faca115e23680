"""合作社服务: who owns what, who is owed what. Members, a double-entry ledger proven by the database, dividends."""
