import numpy as np, minigrad as mg
f = mg.jit(lambda x: mg.min(x[:, :-1])); print(f(np.ones((4, 3))))
try: print(f(np.ones((4, 1))))
except Exception as e: print(type(e),e)
f = mg.jit(lambda x: mg.mean(x[:-1])); print(f(np.ones(3)));
try: print(f(np.ones(1)))
except Exception as e: print(type(e),e)
f = mg.jit(lambda x: mg.argmax(x[:-1])); print(f(np.ones(3)));
try: print(f(np.ones(1)))
except Exception as e: print(type(e),e)
try: print(mg.argmax(mg.tensor(np.ones(0))))
except Exception as e: print(type(e),e)
