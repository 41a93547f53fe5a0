"""Airflow loads this file by its path: it only names what the package holds."""

from health_page.plugin import HealthPlugin

__all__ = ["HealthPlugin"]
