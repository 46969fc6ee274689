# Ruby's stomp, driven by ../lines.py.

require 'base64'
require 'securerandom'
require 'stomp'
require 'uri'

if ARGV[0] == 'version'
  puts Stomp::Version::STRING
  exit
end

# A connection whose frames a thread reads; receipts and messages wait apart.
class Driven
  def initialize(url, beat_ms)
    @connection = Stomp::Connection.new(
      hosts: [{ login: 'guest', passcode: 'guest', host: url.host, port: url.port }],
      reliable: false,
      connect_headers: { 'accept-version' => '1.2', 'host' => '/', 'heart-beat' => "#{beat_ms},#{beat_ms}" },
      closed_check: false
    )
    @lock = Mutex.new
    @came = ConditionVariable.new
    @messages = []
    @receipts = []
    @handles = {}
    @reader = Thread.new { read }
  end

  def read
    while (frame = @connection.receive)
      @lock.synchronize do
        frame.command == 'RECEIPT' ? @receipts << frame.headers['receipt-id'] : @messages << frame
        @came.signal
      end
    end
  end

  def wait(seconds)
    deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    @lock.synchronize do
      until (found = yield)
        left = deadline - Process.clock_gettime(Process::CLOCK_MONOTONIC)
        return nil if left <= 0

        @came.wait(@lock, left)
      end
      found
    end
  end

  def send(destination, body, type, transaction)
    headers = { 'content-type' => type }
    headers['transaction'] = transaction unless transaction.to_s.empty?
    @connection.publish(destination, Base64.decode64(body), headers)
    ['ok']
  end

  def flush(destination)
    receipt = SecureRandom.uuid
    @connection.publish(destination, '', 'receipt' => receipt)
    wait(10) { @receipts.delete(receipt) } ? ['ok'] : ['error', 'no receipt']
  end

  def subscribe(destination, id, ack)
    @connection.subscribe(destination, { 'ack' => ack }, id)
    ['ok']
  end

  def unsubscribe(destination, id)
    @connection.unsubscribe(destination, {}, id)
    ['ok']
  end

  def receive(milliseconds)
    frame = wait(milliseconds.to_i / 1000.0) { @messages.shift }
    return ['none'] unless frame

    handle = frame.headers['message-id']
    @handles[handle] = frame
    body = Base64.strict_encode64(frame.body)
    ['message', frame.headers['subscription'], body, handle, frame.headers['redelivered'].to_s]
  end

  def ack(handle, transaction = nil)
    headers = transaction ? { 'transaction' => transaction } : {}
    @connection.ack(@handles[handle].headers['ack'], headers)
    ['ok']
  end

  def nack(handle)
    @connection.nack(@handles[handle].headers['ack'])
    ['ok']
  end

  def begin(transaction)
    @connection.begin(transaction)
    ['ok']
  end

  def commit(transaction)
    @connection.commit(transaction)
    ['ok']
  end

  def abort(transaction)
    @connection.abort(transaction)
    ['ok']
  end

  def alive
    # Its own count leaves out the heart-beats that `receive` has read; this is when the last came.
    heard = @connection.instance_variable_get(:@lr)
    @connection.open? && Time.now.to_f - heard < 1 ? ['ok'] : ['error', 'closed, or no heart-beats']
  end

  def close
    @reader.kill.join
    @connection.disconnect
    ['ok']
  end
end

$stdout.sync = true
driven = nil
while (line = $stdin.gets)
  command, *words = line.chomp.split("\t", -1)
  answer =
    begin
      if command == 'open'
        driven = Driven.new(URI(ARGV[0]), words[0])
        ['ok']
      else
        driven.public_send(command, *words)
      end
    rescue StandardError => e
      ['error', "#{e.class} #{e.message}".tr("\t\n", ' ')]
    end
  puts answer.join("\t")
end
