/** The REST interface at /docs: Swagger UI from the node itself, where FastAPI's own page loads it from elsewhere. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import { currentTheme } from "../shell/theme";

document.documentElement.classList.toggle("dark-mode", currentTheme() === "dark");
SwaggerUI({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  // The validator is another host, which would be told of this one.
  validatorUrl: null,
});
