// A WebSocket for node that remembers of what kind the message is that its client looks at.

import WebSocket from 'ws';

export class Socket extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { perMessageDeflate: false });
    this.kind = undefined;
    this.beats = 0;
  }

  emit(name, data, isBinary) {
    if (name === 'message') {
      this.kind = isBinary ? 'binary' : 'text';
      if (data.length === 1 && data[0] === 10) this.beats += 1;
    }
    return super.emit(name, data, isBinary);
  }
}
