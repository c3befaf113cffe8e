"""An orchard's books."""
