/** The part of Swagger UI that is used here; the package brings no types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface Options {
    readonly url: string;
    readonly dom_id: string;
    readonly deepLinking: boolean;
    readonly validatorUrl: string | null;
  }

  export default function SwaggerUI(options: Options): unknown;
}
