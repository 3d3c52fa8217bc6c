"""A night of agg from Airflow: on a worker's own disks, or as a pod of the image.

Keep the task that fits and remove the other. An interval ends at 04:30 UTC, so its start is the day before, which is
the night's day. A retry, a backfill or a cleared task counts that same day again, which is safe. Code 75, a store that
another run has locked, skips the task; every other code fails it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable
from kubernetes.client import models as k8s

DAY = "{{ data_interval_start | ds }}"
CLAIMS = {"logs": "/data/logs", "store": "/data/agg-store", "out": "/data/agg-out"}

with DAG(
    dag_id="agg_nightly",
    schedule=CronDataIntervalTimetable("30 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # a store has one writer
    default_args={"retries": 1, "retry_delay": timedelta(minutes=30)},
):
    BashOperator(
        task_id="on_worker",
        bash_command=f"agg nightly --wait-for-log 2h {DAY}",
        env={"AGG_LOGS": "/data/logs", "AGG_STORE": "/data/agg-store", "AGG_OUT": "/data/agg-out"},
        append_env=True,
        skip_on_exit_code=[75],
    )
    KubernetesPodOperator(
        task_id="as_pod",
        name="agg-nightly",
        image="localhost/agg-daily:0.1.0",
        arguments=["nightly", "--wait-for-log", "2h", DAY],
        skip_on_exit_code=[75],
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "2", "memory": "1Gi"}, limits={"cpu": "2", "memory": "1Gi"}
        ),
        security_context={"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532},
        container_security_context={"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
        volumes=[
            k8s.V1Volume(
                name=name,
                persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name=f"agg-{name}"),
            )
            for name in CLAIMS
        ],
        volume_mounts=[
            k8s.V1VolumeMount(name=name, mount_path=path, read_only=name == "logs") for name, path in CLAIMS.items()
        ],
    )
