"""Where they do it."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import path
from orders.views import complain

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html")),
    path("orders/<int:order_id>/complaints", complain),
]
