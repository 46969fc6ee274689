<?php
// PHP's stomp, driven by ../lines.py.

if ($argv[1] === 'version') {
    echo phpversion('stomp'), "\n";
    exit;
}
$url = $argv[1];

/** A connection; messages that come while a RECEIPT is awaited wait inside of the extension. */
final class Driven
{
    private Stomp $stomp;
    private array $frames = [];

    public function __construct(string $url)
    {
        $this->stomp = new Stomp(str_replace('stomp://', 'tcp://', $url), 'guest', 'guest');
    }

    public function send(string $destination, string $body, string $type, string $transaction): array
    {
        $headers = ['content-type' => $type];
        if ($transaction !== '') {
            $headers['transaction'] = $transaction;
        }
        return $this->done($this->stomp->send($destination, base64_decode($body), $headers));
    }

    public function flush(string $destination): array
    {
        $this->stomp->setReadTimeout(10);
        return $this->done($this->stomp->send($destination, 'x', ['receipt' => uniqid()]));
    }

    public function subscribe(string $destination, string $id, string $ack): array
    {
        return $this->done($this->stomp->subscribe($destination, ['id' => $id, 'ack' => $ack]));
    }

    public function unsubscribe(string $destination, string $id): array
    {
        return $this->done($this->stomp->unsubscribe($destination, ['id' => $id]));
    }

    public function receive(string $milliseconds): array
    {
        $this->stomp->setReadTimeout(0, 1000 * (int) $milliseconds);
        $frame = $this->stomp->readFrame();
        if (!$frame) {
            return ['none'];
        }
        $headers = $frame->headers;
        $this->frames[$headers['message-id']] = $frame;
        $redelivered = $headers['redelivered'] ?? '';
        return ['message', $headers['subscription'], base64_encode($frame->body), $headers['message-id'], $redelivered];
    }

    public function ack(string $handle, string $transaction = ''): array
    {
        $headers = $transaction === '' ? [] : ['transaction' => $transaction];
        return $this->done($this->stomp->ack($this->frames[$handle], $headers));
    }

    public function nack(string $handle): array
    {
        return ['unsupported', 'speaks STOMP 1.0, which has no NACK'];
    }

    public function begin(string $transaction): array
    {
        return $this->done($this->stomp->begin($transaction));
    }

    public function commit(string $transaction): array
    {
        return $this->done($this->stomp->commit($transaction));
    }

    public function abort(string $transaction): array
    {
        return $this->done($this->stomp->abort($transaction));
    }

    public function alive(): array
    {
        return ['ok'];
    }

    public function close(): array
    {
        unset($this->stomp);
        return ['ok'];
    }

    private function done(bool $succeeded): array
    {
        return $succeeded ? ['ok'] : ['error', str_replace(["\t", "\n"], ' ', (string) $this->stomp->error())];
    }
}

while (($line = fgets(STDIN)) !== false) {
    $words = explode("\t", rtrim($line, "\n"));
    $command = array_shift($words);
    try {
        if ($command !== 'open') {
            $answer = $driven->$command(...$words);
        } elseif ($words[0] !== '0') {
            $answer = ['unsupported', 'knows no heart-beats'];
        } else {
            $driven = new Driven($url);
            $answer = ['ok'];
        }
    } catch (Throwable $problem) {
        $answer = ['error', strtr($problem->getMessage(), "\t\n", '  ')];
    }
    echo implode("\t", $answer), "\n";
}
