# syntax=docker/dockerfile:1
# The pipeline on Airflow's official image. A separate stage builds the locked environment, into which the
# final image cannot install anything: it belongs to root.
# When you build it, pin the tag to its digest: apache/airflow@sha256:...
FROM apache/airflow:slim-3.3.2-python3.12 AS airflow

FROM airflow AS build
USER 0
RUN install --directory --owner=50000 --group=0 /opt/pipeline
USER 50000
WORKDIR /opt/pipeline
COPY --chown=50000:0 requirements ./requirements
RUN python -m venv --without-pip venv \
    && PIP_USER=false python -m pip install --no-cache-dir --require-hashes --target /tmp/uv --requirement requirements/uv.txt \
    && /tmp/uv/bin/uv pip sync --no-cache --python venv/bin/python --require-hashes --compile-bytecode \
        requirements/runtime.txt
COPY --chown=50000:0 . .
# Cosmos builds the DAG from the manifest, so that a container starts without parsing the project.
RUN venv/bin/dbt --quiet parse --project-dir dbt --profiles-dir dbt \
    && rm --recursive --force dbt/logs requirements \
    && venv/bin/python -m compileall -q callbacks dags deploy local scripts sources

FROM airflow
LABEL org.opencontainers.image.title="elt-pipeline" \
      org.opencontainers.image.description="API to S3 to Postgres to dbt, run by Apache Airflow" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build --chown=0:0 /opt/pipeline /opt/pipeline
# Under a user id that the image does not know, Airflow asks for a name.
ENV LOGNAME=airflow \
    PATH=/opt/pipeline/venv/bin:${PATH} \
    PYTHONPATH=/opt/pipeline:/opt/pipeline/deploy/airflow \
    PYTHONUNBUFFERED=1 \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/pipeline/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/pipeline/deploy/airflow/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False \
    AIRFLOW__COSMOS__ENABLE_TELEMETRY=False \
    AIRFLOW__COSMOS__CACHE_DIR=/tmp/cosmos
USER 50000
WORKDIR /opt/pipeline
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s \
    CMD ["python", "-c", "import scripts.settings"]
