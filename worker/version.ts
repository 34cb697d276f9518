/** Version of this worker, in its API description and in every manifest. */
export const VERSION = "0.1.0";
