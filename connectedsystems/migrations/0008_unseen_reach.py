from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connectedsystems", "0006_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectedsystem",
            name="unseen_reach",
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
    ]
