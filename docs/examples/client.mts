import { connect, StompedeError } from "@stompede/client";

interface Said { who: string; text: string }

const client = await connect({
  url: "wss://example.org/stomp",
  token: () => fetch("/api/token").then((answer) => answer.text()), // for each connection, and when it has expired
  onState: (state, why) => console.log(state, why?.message ?? ""),
});

client.subscribe<Said>("/topic/rooms/kitchen", ({ body }) => console.log(body.who, "says", body.text), {
  onGap: () => location.reload(), // messages may be missing: the server could not fill the gap
});

try {
  const answer = await client.request<{ number: number }>("/app/ping", { number: 1 }, { timeoutMs: 5_000 });
  await client.send("/app/rooms/kitchen/say", { text: `soup number ${answer.number}` });
} catch (error) {
  if (error instanceof StompedeError) console.log(error.code, error.detail, error.errorId, error.destination);
}
for await (const { body } of client.messages<Said>("/topic/rooms/cellar")) console.log(body.text);
