from serving import serve as serve
from serving import transport as transport
