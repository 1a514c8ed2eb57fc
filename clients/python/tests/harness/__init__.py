"""What the tests share: a bus of their own, and the resources that it is made from."""
