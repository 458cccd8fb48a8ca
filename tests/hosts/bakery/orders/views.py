"""What customers do."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from .models import Complaint, Order

MOST_COMPLAINTS = 3


@csrf_exempt  # a real bakery has forms with tokens
@login_required
def complain(request: HttpRequest, order_id: int) -> JsonResponse:
    order = get_object_or_404(Order, pk=order_id, customer=request.user.username)
    complaint = Complaint.objects.create(order=order, text=request.POST["text"])
    if complaint.pk > MOST_COMPLAINTS:
        raise PermissionDenied("the bakery is closed")
    return JsonResponse({"id": complaint.pk})
