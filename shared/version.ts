/** Version of edgefuse: in the API's description, in every manifest and in the command line's. */
export const VERSION = "0.1.0";
