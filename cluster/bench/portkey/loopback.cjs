// Preloaded into Portkey's gateway, which listens on every interface and has no option for it: keeps it on loopback.
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  const callback = rest.find((value) => typeof value === 'function');
  if (typeof first === 'number') return listen.call(this, { port: first, host: '127.0.0.1' }, callback);
  if (first && typeof first === 'object' && 'port' in first) return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
  return listen.call(this, first, ...rest);
};
