import java.lang.reflect.Type;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import jakarta.websocket.ContainerProvider;
import jakarta.websocket.WebSocketContainer;
import org.springframework.core.SpringVersion;
import org.springframework.messaging.converter.SimpleMessageConverter;
import org.springframework.messaging.simp.stomp.StompFrameHandler;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.util.MimeType;
import org.springframework.web.socket.WebSocketHttpHeaders;
import org.springframework.web.socket.client.WebSocketClient;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;
import org.springframework.web.socket.sockjs.client.RestTemplateXhrTransport;
import org.springframework.web.socket.sockjs.client.SockJsClient;
import org.springframework.web.socket.sockjs.client.WebSocketTransport;

/** Spring's WebSocketStompClient, driven by ../lines.py: `websocket`, `sockjs-websocket` or `sockjs-xhr`, URL. */
public final class Probe {
    private static final int LIMIT = 8 * 1024 * 1024;

    private record Message(String subscription, byte[] body, StompHeaders headers) {}

    private final BlockingQueue<Message> messages = new LinkedBlockingQueue<>();
    private final Map<String, StompSession.Subscription> subscriptions = new HashMap<>();
    private final boolean sockJs;
    private final StompSession session;

    private Probe(String transport, String url, long beat) throws Exception {
        ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
        scheduler.setDaemon(true);
        scheduler.initialize();
        sockJs = !transport.equals("websocket");
        WebSocketStompClient client = new WebSocketStompClient(webSocketClient(transport));
        client.setTaskScheduler(scheduler);
        client.setDefaultHeartbeat(new long[] {beat, beat});
        client.setInboundMessageSizeLimit(LIMIT);
        client.setMessageConverter(new SimpleMessageConverter());
        StompHeaders connect = new StompHeaders();
        connect.setLogin("guest");
        connect.setPasscode("guest");
        String where = sockJs ? url.replaceFirst("^ws", "http") : url;
        session = client.connectAsync(URI.create(where), new WebSocketHttpHeaders(), connect, new StompSessionHandlerAdapter() {})
            .get(10, TimeUnit.SECONDS);
    }

    private static WebSocketClient webSocketClient(String transport) {
        WebSocketContainer container = ContainerProvider.getWebSocketContainer();
        container.setDefaultMaxTextMessageBufferSize(LIMIT);
        container.setDefaultMaxBinaryMessageBufferSize(LIMIT);
        StandardWebSocketClient standard = new StandardWebSocketClient(container);
        return switch (transport) {
            case "websocket" -> standard;
            case "sockjs-websocket" -> new SockJsClient(List.of(new WebSocketTransport(standard)));
            case "sockjs-xhr" -> new SockJsClient(List.of(new RestTemplateXhrTransport()));
            default -> throw new IllegalArgumentException(transport);
        };
    }

    private String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "send" -> {
                if (sockJs && !words[3].startsWith("text/")) return "unsupported\tSockJS carries text only";
                send(words[1], Base64.getDecoder().decode(words[2]), words[3]);
            }
            case "flush" -> {
                StompHeaders headers = new StompHeaders();
                headers.setDestination(words[1]);
                headers.setReceipt(UUID.randomUUID().toString());
                CompletableFuture<Boolean> came = new CompletableFuture<>();
                StompSession.Receiptable sent = session.send(headers, new byte[0]);
                sent.addReceiptTask(() -> came.complete(true));
                sent.addReceiptLostTask(() -> came.complete(false));
                return came.get(10, TimeUnit.SECONDS) ? "ok" : "error\tno receipt";
            }
            case "subscribe" -> subscribe(words[1], words[2], words[3]);
            case "unsubscribe" -> subscriptions.remove(words[2]).unsubscribe();
            case "receive" -> {
                Message message = messages.poll(Long.parseLong(words[1]), TimeUnit.MILLISECONDS);
                if (message == null) return "none";
                String handle = message.headers.getAck() == null ? "" : message.headers.getAck();
                String redelivered = String.valueOf(message.headers.getFirst("redelivered"));
                return String.join("\t", "message", message.subscription,
                    Base64.getEncoder().encodeToString(message.body), handle, redelivered);
            }
            case "ack" -> session.acknowledge(words[1], true);
            case "nack" -> session.acknowledge(words[1], false);
            case "begin", "commit", "abort" -> { return "unsupported\tStompSession knows no transactions"; }
            case "alive" -> { return session.isConnected() ? "ok" : "error\tnot connected"; }
            case "close" -> session.disconnect();
            default -> { return "error\tunknown command"; }
        }
        return "ok";
    }

    private void send(String destination, byte[] body, String type) {
        StompHeaders headers = new StompHeaders();
        headers.setDestination(destination);
        headers.setContentType(MimeType.valueOf(type));
        session.send(headers, body);
    }

    private void subscribe(String destination, String id, String ack) {
        StompHeaders headers = new StompHeaders();
        headers.setDestination(destination);
        headers.setId(id);
        headers.setAck(ack);
        subscriptions.put(id, session.subscribe(headers, new StompFrameHandler() {
            @Override
            public Type getPayloadType(StompHeaders ignored) {
                return byte[].class;
            }

            @Override
            public void handleFrame(StompHeaders got, Object payload) {
                messages.add(new Message(id, payload == null ? new byte[0] : (byte[]) payload, got));
            }
        }));
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[1].equals("version")) {
            System.out.println(SpringVersion.getVersion());
            return;
        }
        Probe probe = null;
        Scanner input = new Scanner(System.in, StandardCharsets.UTF_8).useDelimiter("\n");
        while (input.hasNext()) {
            String[] words = input.next().split("\t", -1);
            String answer;
            try {
                if (words[0].equals("open")) {
                    probe = new Probe(arguments[0], arguments[1], Long.parseLong(words[1]));
                    answer = "ok";
                } else {
                    answer = probe.answer(words);
                }
            } catch (Exception problem) {
                answer = "error\t" + problem.toString().replaceAll("[\t\n]", " ");
            }
            System.out.println(answer);
        }
        System.exit(0); // threads of the client may still wait for something
    }
}
