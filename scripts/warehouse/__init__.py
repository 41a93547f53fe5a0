"""The warehouse: connections, the ledger of loads, the lock of dbt, and the migrations."""
