# Perl's Net::Stomp, driven by ../lines.py.

use strict;
use warnings;
use MIME::Base64;
use Net::Stomp;
use Net::Stomp::Frame;
use Time::HiRes;

if ($ARGV[0] eq 'version') {
    print "$Net::Stomp::VERSION\n";
    exit;
}
my ($host, $port) = $ARGV[0] =~ m{//([^:]+):(\d+)};
$| = 1;

my ($stomp, @waiting, %frames);
my $receipts = 0;

sub command { $stomp->send_frame(Net::Stomp::Frame->new({ command => $_[0], headers => { transaction => $_[1] } })) }

# Messages that come before the RECEIPT wait.
sub await_receipt {
    my ($receipt) = @_;
    while (my $frame = $stomp->receive_frame({ timeout => 10 })) {
        return ('ok') if $frame->command eq 'RECEIPT' && $frame->headers->{'receipt-id'} eq $receipt;
        push @waiting, $frame;
    }
    return ('error', 'no receipt');
}

my %do = (
    open => sub {
        return ('unsupported', 'knows no heart-beats') if $_[0];
        (@waiting, %frames) = ();
        $stomp = Net::Stomp->new({ hostname => $host, port => $port, reconnect_attempts => 1 });
        my $connected = $stomp->connect({ login => 'guest', passcode => 'guest' });
        return $connected->command eq 'CONNECTED' ? ('ok') : ('error', 'not connected');
    },
    send => sub {
        my ($destination, $body, $type, $transaction) = @_;
        my $bytes = decode_base64($body);
        my %message = (destination => $destination, body => $bytes, 'content-type' => $type);
        $message{'content-length'} = length $bytes;
        $message{transaction} = $transaction if $transaction;
        $stomp->send(\%message);
        return ('ok');
    },
    flush => sub {
        my $receipt = 'r-' . ++$receipts;
        $stomp->send({ destination => $_[0], body => '', receipt => $receipt });
        return await_receipt($receipt);
    },
    subscribe => sub {
        $stomp->subscribe({ destination => $_[0], id => $_[1], ack => $_[2] });
        return ('ok');
    },
    unsubscribe => sub {
        $stomp->unsubscribe({ destination => $_[0], id => $_[1] });
        return ('ok');
    },
    receive => sub {
        my $frame = shift @waiting // $stomp->receive_frame({ timeout => $_[0] / 1000 });
        return ('none') unless $frame;
        return ('error', $frame->headers->{message}) if $frame->command eq 'ERROR';
        my $headers = $frame->headers;
        $frames{ $headers->{'message-id'} } = $frame;
        my $body = encode_base64($frame->body, '');
        return ('message', $headers->{subscription}, $body, $headers->{'message-id'}, $headers->{redelivered} // '');
    },
    ack => sub {
        my ($handle, $transaction) = @_;
        $stomp->ack({ frame => $frames{$handle}, $transaction ? (transaction => $transaction) : () });
        return ('ok');
    },
    nack => sub { return ('unsupported', 'speaks STOMP 1.0, which has no NACK') },
    begin  => sub { command('BEGIN',  $_[0]); return ('ok') },
    commit => sub { command('COMMIT', $_[0]); return ('ok') },
    abort  => sub { command('ABORT',  $_[0]); return ('ok') },
    alive  => sub { return ('ok') },
    close  => sub { $stomp->disconnect; return ('ok') },
);

while (my $line = <STDIN>) {
    chomp $line;
    my ($command, @words) = split /\t/, $line, -1;
    my @answer = eval { $do{$command}->(@words) };
    @answer = ('error', $@ =~ tr/\t\n/  /r) if $@;
    print join("\t", @answer), "\n";
}
