"""A circuit for each origin of a system. Those of before are closed: they begin anew by themselves."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connectedsystems", "0004_origins_of_secrets"),
    ]

    operations = [
        migrations.DeleteModel(name="Circuit"),
        migrations.CreateModel(
            name="Circuit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("base_url", models.CharField(max_length=2000)),
                ("origin", models.CharField(blank=True, max_length=300)),
                ("callers", models.CharField(blank=True, max_length=255)),
                ("reason", models.CharField(max_length=64)),
                ("since", models.DateTimeField()),
                ("tries", models.PositiveIntegerField(default=0)),
                ("failed_at", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField()),
                ("tried_by", models.CharField(blank=True, max_length=64)),
                ("others_try_at", models.DateTimeField(null=True)),
                (
                    "system",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="circuits",
                        to="connectedsystems.connectedsystem",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("system", "origin"), name="one_circuit_per_origin")
                ],
            },
        ),
    ]
