"""The whole URL map on one screen."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from inference.views.artifacts import ArtifactView
from inference.views.automations import (
    AutomationListView,
    AutomationSchemaView,
    AutomationValidateView,
    AutomationView,
)
from inference.views.batch import InferenceBatchView
from inference.views.csv_batch import InferenceCsvView
from inference.views.events import TaskEventsView
from inference.views.files import FileUploadView
from inference.views.health import HealthView, TaskRunningView
from inference.views.inference import InferenceView
from inference.views.manual import DocsPageView, LlmsTxtView, ManualView, SchemaView
from inference.views.metrics import MetricsView
from inference.views.task_export import TaskExportView
from inference.views.tasks import (
    DownloadsView,
    OutputDataView,
    TaskAnswerView,
    TaskArtifactsView,
    TaskCancelView,
    TaskListView,
    TaskRetryView,
    TaskReviewView,
    TaskStepsView,
    TaskView,
)

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("inference", InferenceView.as_view(allows_anonymous_local=True)),
    path("api/v1/inference", InferenceView.as_view()),
    path("api/v1/inference/batch", InferenceBatchView.as_view()),
    path("api/v1/inference/csv", InferenceCsvView.as_view()),
    path("api/v1/tasks", TaskListView.as_view()),
    path("api/v1/tasks.csv", TaskExportView.as_view()),
    path("api/v1/tasks/<uuid:task_id>", TaskView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/steps", TaskStepsView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/events", TaskEventsView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/artifacts", TaskArtifactsView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/cancel", TaskCancelView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/answer", TaskAnswerView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/review", TaskReviewView.as_view()),
    path("api/v1/tasks/<uuid:task_id>/retry", TaskRetryView.as_view()),
    path("api/v1/artifacts/<uuid:artifact_id>", ArtifactView.as_view()),
    path("api/v1/files", FileUploadView.as_view()),
    path("api/v1/automations", AutomationListView.as_view()),
    path("api/v1/automations/<path:endpoint_name>/validate", AutomationValidateView.as_view()),
    path("api/v1/automations/<path:endpoint_name>", AutomationView.as_view()),
    path("api/automation.schema.json", AutomationSchemaView.as_view()),
    path("api/v1/get_output_data", OutputDataView.as_view()),
    path("api/v1/get_downloads", DownloadsView.as_view()),
    path("health", HealthView.as_view()),
    path("api/v1/health", HealthView.as_view()),
    path("is_task_running", TaskRunningView.as_view()),
    path("metrics", MetricsView.as_view()),
    path("api/schema", SchemaView.as_view()),
    path("api/docs", DocsPageView.as_view()),
    path("docs/<path:name>", ManualView.as_view()),
    path("llms.txt", LlmsTxtView.as_view()),
]
