"""From a publication to the sockets of its subscribers: ticks, cohorts, outboxes."""
