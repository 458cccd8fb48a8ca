"""What the bakery keeps."""

from django.db import models


class Order(models.Model):
    customer = models.CharField(max_length=100)
    cents = models.IntegerField()
    refunded = models.BooleanField(default=False)


class Complaint(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    text = models.TextField()
