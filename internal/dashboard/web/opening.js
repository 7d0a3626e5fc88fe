// What a person sees whom the server does not answer yet, since it answers its own machine only,
// and what to do about it.

import { h } from "./dom.js";
import { button, code, section } from "./parts.js";

// opening is the page. The steps are what the server says to be missing.
export function opening({ message, opening: missing }, again) {
  const { protocol, hostname, port } = location;
  const here = port || (protocol === "https:" ? "443" : "80");
  const secure = protocol === "https:" || !missing.tls;
  const tunnel = `ssh -N -L 8080:127.0.0.1:${here} USER@${hostname.replace(/^\[|\]$/g, "")}`;
  return h("div", { class: "opening" },
    h("h1", null, "This server answers only its own machine yet"),
    h("p", null, message.charAt(0).toUpperCase() + message.slice(1).split(";")[0] + "."), // the rest is for who has no page
    section("Let people in", {},
      h("ol", null,
        missing.token && h("li", null, "On the server, as the user that runs it, make a token. It is shown once; ", code("NAME"), " is whose it is:", command(missing.token),
          missing.token.endsWith("operator") && h("p", { class: "hint" }, "In the site's folder, which ", code("esper serve"), " names when it starts.")),
        !secure && (missing.https
          ? h("li", null, "Open it over TLS: ", h("a", { href: `https://${hostname}:${missing.https}/` }, `https://${hostname}:${missing.https}/`), ".")
          : h("li", null, "Start the server again with a certificate, so that nobody can read the token on its way (docs/access.md says how to get one), and open ", code(`https://${hostname}:8443/`), ":",
            command("esper serve --https :8443 --tls-cert FILE --tls-key FILE"),
            h("p", { class: "hint" }, "In a network where you trust everybody, ", code("esper serve --plain-api"), " takes tokens without a certificate."))),
        h("li", null, secure ? "Then sign in here with the token." : "Sign in there with the token."),
      ), button(secure && missing.token ? "I have a token now" : "Try again", again)),
    !secure && section("Or for yourself, through SSH", {},
      h("p", null, "On this computer, with your name on the server; then open ", h("a", { href: "http://127.0.0.1:8080/" }, "http://127.0.0.1:8080/"), missing.token ? ". It takes no token as long as there is none:" : " and sign in there:"),
      command(tunnel)),
    missing.token && section("Or at the server itself", {}, h("p", null, "Open ", code(`http://127.0.0.1:${here}/`), " in a browser there.")));
}

const command = (text) => h("pre", { tabindex: "0" }, text);
