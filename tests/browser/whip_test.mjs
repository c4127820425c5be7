export default async function whip() {}
