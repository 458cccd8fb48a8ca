"""The tests of the shop, which has no agent yet."""

from shop.models import Order


def test_an_order_has_a_price() -> None:
    assert Order(customer="ana", cents=500).cents == 500
