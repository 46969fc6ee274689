"""The bus of many nodes on one topic of Kafka."""

from stompede.bus.kafka.address import KafkaAddress as KafkaAddress
from stompede.bus.kafka.bus import KafkaBus as KafkaBus
from stompede.bus.kafka.limits import KafkaBusLimits as KafkaBusLimits

__all__ = ["KafkaAddress", "KafkaBus", "KafkaBusLimits"]
