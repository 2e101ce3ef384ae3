"""Search: from sensitivities and costs to the points of a front."""
