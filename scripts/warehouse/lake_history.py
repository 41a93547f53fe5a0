"""Remove what the Delta tables of the marts still have of deleted values.

Invariant: readers see the same rows as before.
A build and a publish replace rows. The replaced ones stay in files that left a table, in a log with
the least and the greatest value of each file, in the publish before, and in tables that no model
owns. After a kill, the same again removes the rest.
"""

from pathlib import Path
from typing import Any

from psycopg import sql

from scripts.killpoints import reach
from scripts.settings import deployment
from scripts.warehouse.dbt_lock import dbt_lock
from scripts.warehouse.lakehouse import LoadTable

_MODELS = Path(__file__).parents[2] / "dbt" / "models"
_SCHEMAS = ("ops", "build", "published")
_OTHERS = {"current", "outcomes", "loads", "rejects"}  # tables that are not models


def forget_history(dbt_dsn: str) -> None:
    """Remove it from every table of a build, of a publish and of the pinned ledger.

    A reader who opened a table before fails, and asks again. Does nothing if the rows are in
    PostgreSQL. `dbt_dsn` is of role transformer.

    Raises:
        ConfigurationError: the setting of the root, or a package, is missing.
        UnavailableError: the store of the files or the warehouse is away.
    """
    if deployment().warehouse != "delta":
        return
    root = _History(deployment().lakehouse())
    owned = {path.stem for path in _MODELS.glob("*/*.sql")} | _OTHERS
    with dbt_lock(dbt_dsn, is_alone=True):
        shown = root.shown()
        for place in root.places(*_SCHEMAS):
            table = _History(f"{root.uri}/{place}")
            if place.rpartition("/")[2] in owned and table.exists():
                table.forget(shown)
            else:
                root.drop(place)
            reach("erase.in_history")
        for schema in _SCHEMAS:
            LoadTable(f"{root.uri}/{schema}").forget_versions()


class _History(LoadTable):
    """A Delta table, or the folder of all tables."""

    def places(self, *schemas: str) -> list[str]:
        """Return schema and name of each table, such as ``build/fct_posts``."""
        with self._errors():
            return sorted(info.path for schema in schemas for info in self._listed(schema))

    def shown(self) -> str:
        """Return the publish_id that readers see, or an empty text before the first publish."""
        current = LoadTable(f"{self.uri}/published/current")
        return str(current.column("publish_id")[0]) if current.exists() else ""

    def drop(self, place: str) -> None:
        """Remove a table with its files."""
        with self._errors():
            self._folder().delete_dir(place)

    def forget(self, shown: str) -> None:
        """Remove the rows of other publishes, files that left the table, and the log before now."""
        with self._errors():
            if "publish_id" in self._open().schema().to_arrow().names:
                others = sql.SQL("publish_id <> {}").format(shown)
                self._open().delete(others.as_string())
            how = {"enforce_retention_duration": False, "full": True}
            self._open().vacuum(0, dry_run=False, **how)  # commits, so the log ends without values
            table = self._open()
            table.create_checkpoint()
            for info in self._listed("_delta_log"):
                version = info.base_name.partition(".")[0]
                if version.isdigit() and int(version) < table.version():
                    self._folder().delete_file(info.path)

    def _listed(self, folder: str) -> Any:
        return self._folder().get_file_info(self._files.FileSelector(folder, allow_not_found=True))
