exports.greeting = () => "Hello from Node\n";
