from alembic import op

revision = "a1b2c3d4e5f6"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")


def downgrade():
    op.execute("DROP TABLE person")
