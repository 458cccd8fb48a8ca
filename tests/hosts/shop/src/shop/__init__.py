"""A product as there are many: FastAPI, SQLAlchemy, PostgreSQL, and people who sign in."""
