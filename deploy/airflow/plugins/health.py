"""Airflow loads this file by its path. It only exports the plugin of the package."""

from health_page.plugin import HealthPlugin

__all__ = ["HealthPlugin"]
