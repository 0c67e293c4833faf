"""Upload of one data item: plan the steps and perform them."""
