"""Where an authorization's calls go. Rows of before learn it at their next renewal or failed call."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("authlinks", "0005_endings"),
    ]

    operations = [
        migrations.AddField(
            model_name="authorization",
            name="api_origin",
            field=models.CharField(blank=True, editable=False, max_length=300),
        ),
    ]
