// Browsers start no Worker from file://. There the search of the site runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.frame = frame.contentWindow;
      const page = frame.contentDocument;
      page.open();
      page.write(`<script>
        postMessage = message => parent.postMessage(message, "*");
        importScripts = (...urls) => urls.reduce((done, url) => done.then(() => new Promise(resolve => {
          const script = document.createElement("script");
          script.src = url;
          script.onload = resolve;
          document.head.appendChild(script);
        })), Promise.resolve());
      <\/script><script src="${url}"><\/script>`);
      page.close();
      this.loaded = new Promise(resolve => (frame.onload = resolve));
      addEventListener("message", event => {
        if (event.source !== this.frame) return;
        const answer = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(answer);
        if (this.onmessage) this.onmessage(answer);
      });
    }
    postMessage(data) {
      this.loaded.then(() => this.frame.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {}
  };
}
