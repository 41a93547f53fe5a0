"""Migrate Airflow's metadata, and create its logins, in one process. Invariant: idempotent.

``python -m initialise`` reads PIPELINE_ADMIN_USER, PIPELINE_ADMIN_PASSWORD and
PIPELINE_VIEWER_PASSWORD. A login that is there gets the password again.
"""

import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.db import upgradedb


def create_logins(logins: dict[str, tuple[str, str]]) -> None:
    """Create a user for each login, from its name to (role, password).

    Raises:
        RuntimeError: Airflow has not stored a login.
    """
    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        for name, (role, password) in logins.items():
            user = manager.find_user(username=name)
            if user:
                is_stored = manager.reset_password(user.id, password)
            else:
                address = f"{name}@example.com"
                found = manager.find_role(role)
                is_stored = manager.add_user(name, name, role, address, found, password)
            if not is_stored:
                raise RuntimeError(f"Airflow has not stored the login {name}")


def main() -> None:
    """Migrate, then create the administrator and the viewer of watch_pipeline."""
    upgradedb()
    create_logins(
        {
            os.environ["PIPELINE_ADMIN_USER"]: ("Admin", os.environ["PIPELINE_ADMIN_PASSWORD"]),
            "watch": ("Viewer", os.environ["PIPELINE_VIEWER_PASSWORD"]),
        }
    )


if __name__ == "__main__":
    main()
